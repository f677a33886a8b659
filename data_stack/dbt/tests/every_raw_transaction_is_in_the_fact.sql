-- The mart has exactly the ids of the raw table.

select
    cast(raw_rows.id as varchar) as raw_id,
    facts.transaction_id
from {{ source('raw_data', 'transactions') }} as raw_rows
full outer join {{ ref('fact_transactions') }} as facts
    on facts.transaction_id = cast(raw_rows.id as varchar)
where raw_rows.id is null or facts.transaction_id is null
