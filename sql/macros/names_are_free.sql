-- True, unless the caller's table has a name that a macro makes: then which, since the one would
-- hide the other. `own` and `made` are the keys of a row as JSON.
create or replace macro names_are_free(own, made) as
case
    when
        len(list_intersect([lower(name) for name in own], [lower(name) for name in made])) = 0
        then true
    else error(
        'rename the column '
        || list_intersect([lower(name) for name in own], [lower(name) for name in made])[1]
        || ' of your table: the result has one of its own'
    )
end
