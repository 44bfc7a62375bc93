-- What was declared before anything was estimated.
select
    study,
    family,
    question,
    declaration,
    definition_version
from studies.families
order by study, family
