{#
    Fail if more than `share` (0 to 1) of the rows meet `condition`. So a broken file stops a run, but a few bad values
    do not.
#}
{% test share_at_most(model, condition, share) %}
    select
        count(*) filter (where {{ condition }}) as matching_rows,
        count(*) as all_rows
    from {{ model }}
    having count(*) filter (where {{ condition }}) > {{ share }} * count(*)
{% endtest %}
