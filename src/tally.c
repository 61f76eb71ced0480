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
tally_winner(Tally *tallies, Matcher *matcher, int rank, const DeviceState *state, int sign)
{
	if (rank >= 0)
		tally_won(&tallies[rank], matcher_revision(matcher, rank), state, sign);
}

int
tally_device(Tally *tallies, Matcher *matcher, const char *device_id, int device_id_length,
			 const DeviceState *state, int sign)
{
	const int  *ranks;
	int			count;

	if (!state->live)
		return -1;
	count = matcher_all(matcher, device_id, device_id_length, state->tags, &ranks);
	if (count == 0)
		return -1;
	for (int i = 0; i < count; i++)
		tallies[ranks[i]].target += sign;
	tally_winner(tallies, matcher, ranks[0], state, sign);
	return ranks[0];
}

int
tally_change(Tally *tallies, Matcher *matcher, const char *device_id, int device_id_length,
			 const DeviceState *before, const DeviceState *now)
{
	MatcherDifference difference;

	matcher_difference(matcher, device_id, device_id_length, before->live ? before->tags : NULL,
					   now->live ? now->tags : NULL, &difference);
	for (int i = 0; i < difference.lost_count; i++)
		tallies[difference.lost[i]].target--;
	for (int i = 0; i < difference.gained_count; i++)
		tallies[difference.gained[i]].target++;
	tally_winner(tallies, matcher, difference.winner_before, before, -1);
	tally_winner(tallies, matcher, difference.winner, now, 1);
	return difference.winner;
}
