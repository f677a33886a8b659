{#
    Name relations without their database. DuckDB names a database after its file, and the pipeline publishes a copy
    under another name. A view that contains the old name would fail in the copy.
#}
{% macro ref() -%}
    {% do return(builtins.ref(*varargs, **kwargs).include(database=false)) %}
{%- endmacro %}

{% macro source() -%}
    {% do return(builtins.source(*varargs).include(database=false)) %}
{%- endmacro %}
