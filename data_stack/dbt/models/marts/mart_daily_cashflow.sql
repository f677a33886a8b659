-- Income and spend per day and currency; transactions without a date are left out.

select
    md5(cast(to_json([cast(transaction_date as varchar), currency]) as varchar)) as cashflow_id,
    transaction_date,
    currency,
    count(*) as transactions,
    cast(coalesce(sum(amount) filter (where flow = 'in'), 0) as decimal(38, 18)) as income,
    cast(coalesce(-sum(amount) filter (where flow = 'out'), 0) as decimal(38, 18)) as spend,
    cast(coalesce(sum(amount), 0) as decimal(38, 18)) as net
from {{ ref('fact_transactions') }}
where transaction_date is not null
group by transaction_date, currency
