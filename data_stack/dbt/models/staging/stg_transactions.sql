-- One row for each transaction id, whatever the raw columns are typed as. A value that cannot be read is null here,
-- never an error: the checks say how many there are. Of rows with the same id, the one extracted last counts; the
-- other columns break ties, so that the result never depends on the order in the file.

with raw_transactions as (
    select * from {{ source('raw_data', 'transactions') }}
    -- Adds the column where the loader wrote none.
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
