-- Tables and views of the session: one without some layer is told from one whose tables are empty.
select table_schema || '.' || table_name as table_name
from information_schema.tables
order by table_name
