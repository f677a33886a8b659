-- Income and spend per customer and currency; amounts in different currencies are never added.

select
    md5(cast(to_json([customer_id, currency]) as varchar)) as customer_currency_id,
    customer_id,
    currency,
    count(*) as transactions,
    min(transaction_date) as first_transaction_date,
    max(transaction_date) as last_transaction_date,
    cast(coalesce(sum(amount) filter (where flow = 'in'), 0) as decimal(38, 18)) as income,
    cast(coalesce(-sum(amount) filter (where flow = 'out'), 0) as decimal(38, 18)) as spend,
    cast(coalesce(sum(amount), 0) as decimal(38, 18)) as net
from {{ ref('stg_transactions') }}
group by customer_id, currency
