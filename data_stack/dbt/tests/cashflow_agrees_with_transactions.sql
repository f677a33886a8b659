-- Per currency, the sum of the daily cashflow equals the sum of the transactions with a date.

with facts as (
    select
        currency,
        coalesce(sum(amount), 0) as total
    from {{ ref('fact_transactions') }}
    where transaction_date is not null
    group by currency
),

cashflow as (
    select
        currency,
        sum(net) as total
    from {{ ref('mart_daily_cashflow') }}
    group by currency
)

select
    coalesce(facts.currency, cashflow.currency) as currency,
    facts.total as transactions_total,
    cashflow.total as cashflow_total
from facts
full outer join cashflow on facts.currency = cashflow.currency
where facts.total is distinct from cashflow.total
