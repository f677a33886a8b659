{# Use the schema names of the project without dbt's prefix, because each environment has its own database. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
