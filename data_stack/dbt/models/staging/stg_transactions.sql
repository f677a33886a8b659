-- One row per transaction id, from text or typed raw columns. Unreadable values become null, and data tests count them.
-- Of rows with the same id, the one that was extracted last is used. The other columns break ties, so the result does
-- not depend on the order of rows in the file.

with raw_transactions as (
    select * from {{ source('raw_data', 'transactions') }}
    -- Adds the column if the loader did not write it.
    union all by name
    select null as _sdc_extracted_at
    where false
),

typed as (
    select
        cast(id as varchar) as transaction_id,
        coalesce(
            try_cast(date as date), try_cast(try_cast(date as timestamp) as date)
        ) as transaction_date,
        coalesce(nullif(trim(cast(customer_id as varchar)), ''), 'unknown') as customer_id,
        try_cast(amount as decimal(38, 18)) as amount,
        coalesce(nullif(upper(trim(cast(currency as varchar))), ''), 'XXX') as currency,
        coalesce(nullif(lower(trim(cast(category as varchar))), ''), 'uncategorised') as category,
        cast(description as varchar) as description,
        try_cast(_sdc_extracted_at as timestamp) as extracted_at
    from raw_transactions
)

select
    transaction_id,
    transaction_date,
    customer_id,
    amount,
    currency,
    category,
    case when amount > 0 then 'in' when amount < 0 then 'out' else 'none' end as flow,
    description,
    extracted_at
from typed
qualify row_number() over (
    partition by transaction_id
    order by
        extracted_at desc nulls last,
        transaction_date desc nulls last,
        amount desc nulls last,
        currency asc,
        customer_id asc,
        category asc,
        description asc nulls last
) = 1
