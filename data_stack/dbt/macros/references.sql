{#
    Relations are named without their database. DuckDB calls a database after its file, and the pipeline publishes a
    copy under another name: a view that named the old one would not work there.
#}
{% macro ref() -%}
    {% do return(builtins.ref(*varargs, **kwargs).include(database=false)) %}
{%- endmacro %}

{% macro source() -%}
    {% do return(builtins.source(*varargs).include(database=false)) %}
{%- endmacro %}
