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

#include "tally.h"

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
tally_devices_begin(Matcher *matcher, Tally *tallies)
{
	return (TallyDevices) {matcher, tallies, matcher_count_begin(matcher)};
}

int
tally_device(TallyDevices *devices, const char *device_id, int device_id_length,
			 const DeviceState *state, int sign)
{
	int			winner;

	if (!state->live)
		return -1;
	winner = matcher_count_device(devices->targets, device_id, device_id_length, state->tags, sign);
	tally_winner(devices->tallies, devices->matcher, winner, state, sign);
	return winner;
}

int
tally_change(TallyDevices *devices, const char *device_id, int device_id_length,
			 const DeviceState *before, const DeviceState *now)
{
	int			winner;

	if (!before->live || !now->live || before->tags != now->tags)
	{
		(void) tally_device(devices, device_id, device_id_length, before, -1);
		return tally_device(devices, device_id, device_id_length, now, 1);
	}

	/* only its report: what targets it stays */
	winner = matcher_winner(devices->matcher, device_id, device_id_length, now->tags);
	tally_winner(devices->tallies, devices->matcher, winner, before, -1);
	tally_winner(devices->tallies, devices->matcher, winner, now, 1);
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
