-- Customers ranked by income within each currency; equal incomes are ordered by customer id.

select
    customer_currency_id,
    customer_id,
    currency,
    transactions,
    first_transaction_date,
    last_transaction_date,
    income,
    spend,
    net,
    row_number() over (partition by currency order by income desc, customer_id asc) as income_rank
from {{ ref('int_customer_metrics') }}
