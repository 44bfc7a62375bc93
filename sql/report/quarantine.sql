-- Lines that could not be understood, by capture and reason, with the first of each as an example.
select
    path,
    reason,
    count(*) as quarantined,
    min(line) as first_line,
    arg_min(detail, line) as first_detail,
    arg_min(text_start, line) as first_text
from raw.quarantine
group by path, reason
order by quarantined desc, path asc, reason asc
