-- One row per customer with at least one transaction.

select
    customer_id,
    min(first_transaction_date) as first_transaction_date,
    max(last_transaction_date) as last_transaction_date,
    cast(sum(transactions) as bigint) as transactions,
    count(*) as currencies
from {{ ref('int_customer_metrics') }}
group by customer_id
