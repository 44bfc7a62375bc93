-- What was declared before anything was estimated.
select
    study,
    family,
    question,
    hypotheses,
    declaration,
    definition_version
from studies.families
order by study, family
