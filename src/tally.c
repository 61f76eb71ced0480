/*-------------------------------------------------------------------------
 *
 * tally.c
 *	  What one device adds to the counts of the deployments.
 *
 *	Target		each deployment whose condition is true for it
 *	Actual		the one of them that ranks highest
 *	Healthy		that one, if the device's report is for its revision, with
 *				code 200
 *	Unhealthy	the same with any other code
 *
 * The counts are a function of the devices' states and of the deployments.
 * So a settled tally is moved by taking away what a changed device added when
 * it was settled, and adding what it adds now.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/memutils.h"

#include "tally.h"

void
tally_kind(FleetTally *fleet, TwinKind kind, int sign)
{
	if (kind == TWIN_NONE)
		return;
	fleet->provisioned += sign;
	if (kind == TWIN_LIVE)
		fleet->live += sign;
	if (kind == TWIN_NOT_EDGE || kind == TWIN_NOT_EDGE_RETIRED)
		fleet->not_edge += sign;
	if (kind == TWIN_RETIRED || kind == TWIN_NOT_EDGE_RETIRED)
		fleet->retired += sign;
}

void
tally_won(Tally *tally, int64 revision, const DeviceState *state, int sign)
{
	tally->actual += sign;
	if (!state->reported || state->revision != revision)
		return;
	if (state->code == REPORT_CODE_HEALTHY)
		tally->healthy += sign;
	else
		tally->unhealthy += sign;
}

void
tally_winner(Tally *tallies, Matcher *matcher, int slot, const DeviceState *state, int sign)
{
	if (slot >= 0)
		tally_won(&tallies[slot], matcher_revision(matcher, slot), state, sign);
}

TallyDevices
tally_devices_begin(Matcher *matcher)
{
	TallyDevices devices = {.matcher = matcher,.targets = matcher_count_begin(matcher)};

	devices.tallies = MemoryContextAllocExtended(CurrentMemoryContext,
												 sizeof(Tally) * Max(matcher_slots(matcher), 1),
												 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	return devices;
}

int
tally_device(TallyDevices *devices, const char *device_id, int device_id_length,
			 const DeviceState *state, int sign)
{
	int			winner;

	if (state->kind != TWIN_LIVE)
		return -1;
	winner = matcher_count_device(devices->targets, device_id, device_id_length, state->tags, sign);
	tally_winner(devices->tallies, devices->matcher, winner, state, sign);
	return winner;
}

void
tally_devices_end(TallyDevices *devices)
{
	int64	   *targets = matcher_count_end(devices->targets);

	for (int slot = 0; slot < matcher_slots(devices->matcher); slot++)
		devices->tallies[slot].target += targets[slot];
	pfree(targets);
}
