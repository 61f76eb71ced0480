/*-------------------------------------------------------------------------
 *
 * assignment.c
 *	  A device's settled winner: its row of the table assignment.
 *
 * A device has a row where it has a winner.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "assignment.h"
#include "tables.h"

void
assignment_write(TableWriter *writer, Datum device_id, const Assignment *before,
				 const char *deployment_id, TimestampTz assigned_at)
{
	ItemPointerData place = before->row;
	Datum	   *values;

	if (deployment_id == NULL)
	{
		table_writer_delete(writer, &place);
		return;
	}
	values = table_writer_row(writer);
	values[Anum_assignment_device_id - 1] = device_id;
	values[Anum_assignment_deployment_id - 1] = CStringGetTextDatum(deployment_id);
	values[Anum_assignment_assigned_at - 1] = TimestampTzGetDatum(assigned_at);
	if (before->deployment_id == NULL)
		table_writer_insert(writer);
	else
		table_writer_update(writer, &place);
}
