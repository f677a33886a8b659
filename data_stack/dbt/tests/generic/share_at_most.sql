{#
    Fails when more than `share` (0 to 1) of the rows meet `condition`. It tells a broken file from one with a few
    bad values: those alone must not stop a run.
#}
{% test share_at_most(model, condition, share) %}
    select
        count(*) filter (where {{ condition }}) as matching_rows,
        count(*) as all_rows
    from {{ model }}
    having count(*) filter (where {{ condition }}) > {{ share }} * count(*)
{% endtest %}
