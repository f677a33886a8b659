-- Customers ranked by the income they brought, within each currency; equal incomes rank by the customer's id.

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
