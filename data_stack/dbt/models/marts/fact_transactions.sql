-- All transactions. An incremental run merges all staged rows and writes the differences, so it includes late,
-- corrected and deleted rows, and its result equals that of a full refresh. The hook converts tables of earlier
-- releases, whose amounts had four decimal places.

{% set attributes = ['transaction_date', 'customer_id', 'amount', 'currency', 'category', 'flow', 'description'] %}

{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='transaction_id',
    on_schema_change='append_new_columns',
    pre_hook="alter table if exists {{ this.include(database=false) }} alter amount type decimal(38, 18)",
    merge_clauses={
        'when_matched': [{
            'condition': '(DBT_INTERNAL_SOURCE.' ~ attributes | join(', DBT_INTERNAL_SOURCE.')
                ~ ') is distinct from (DBT_INTERNAL_DEST.' ~ attributes | join(', DBT_INTERNAL_DEST.') ~ ')',
            'action': 'update',
            'mode': 'by_name',
        }],
        'when_not_matched': [
            {'action': 'insert', 'mode': 'by_name'},
            {'by': 'source', 'action': 'delete'},
        ],
    }
) }}

select
    transaction_id,
    {{ attributes | join(',\n    ') }}
from {{ ref('stg_transactions') }}
