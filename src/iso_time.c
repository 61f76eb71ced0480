/*-------------------------------------------------------------------------
 *
 * iso_time.c
 *	  A time as devices write it, by ISO 8601 (RFC 3339).
 *
 * The server's own input takes much more, depends on settings and raises.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <ctype.h>

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "iso_time.h"

typedef struct TimeText
{
	const char *at;
	const char *end;
} TimeText;

static bool
take(TimeText *text, char wanted)
{
	if (text->at == text->end || *text->at != wanted)
		return false;
	text->at++;
	return true;
}

/* So many digits. */
static bool
take_number(TimeText *text, int digits, int *number)
{
	*number = 0;
	for (int i = 0; i < digits; i++)
	{
		if (text->at == text->end || !isdigit((unsigned char) *text->at))
			return false;
		*number = *number * 10 + (*text->at++ - '0');
	}
	return true;
}

/* A fraction of a second, in microseconds; further digits say nothing. */
static bool
take_fraction(TimeText *text, fsec_t *fraction)
{
	int			unit = 100000;
	const char *begin;

	*fraction = 0;
	if (!take(text, '.'))
		return true;
	begin = text->at;
	for (; text->at < text->end && isdigit((unsigned char) *text->at); text->at++, unit /= 10)
		*fraction += (*text->at - '0') * unit;
	return text->at > begin;
}

/* Seconds west of Greenwich, as the server counts them. */
static bool
take_offset(TimeText *text, int *west)
{
	int			hours;
	int			minutes = 0;
	int			sign = take(text, '-') ? 1 : -1;

	*west = 0;
	if (sign < 0 && !take(text, '+'))
		return take(text, 'Z') || take(text, 'z');
	if (!take_number(text, 2, &hours))
		return false;
	if (text->at < text->end)
	{
		(void) take(text, ':');
		if (!take_number(text, 2, &minutes))
			return false;
	}
	*west = sign * (hours * SECS_PER_HOUR + minutes * SECS_PER_MINUTE);
	return hours < 24 && minutes < MINS_PER_HOUR;
}

bool
iso_time(const char *string, int length, TimestampTz *time)
{
	TimeText	text = {string, string + length};
	struct pg_tm tm = {0};
	fsec_t		fraction;
	int			west;

	return take_number(&text, 4, &tm.tm_year) && take(&text, '-') &&
		take_number(&text, 2, &tm.tm_mon) && take(&text, '-') &&
		take_number(&text, 2, &tm.tm_mday) &&
		(take(&text, 'T') || take(&text, 't') || take(&text, ' ')) &&
		take_number(&text, 2, &tm.tm_hour) && take(&text, ':') &&
		take_number(&text, 2, &tm.tm_min) && take(&text, ':') &&
		take_number(&text, 2, &tm.tm_sec) &&
		take_fraction(&text, &fraction) && take_offset(&text, &west) && text.at == text.end &&
		tm.tm_year >= 1 && tm.tm_mon >= 1 && tm.tm_mon <= MONTHS_PER_YEAR && tm.tm_mday >= 1 &&
		tm.tm_mday <= day_tab[isleap(tm.tm_year)][tm.tm_mon - 1] &&
		tm.tm_hour < HOURS_PER_DAY && tm.tm_min < MINS_PER_HOUR && tm.tm_sec <= SECS_PER_MINUTE &&
		tm2timestamp(&tm, fraction, &west, time) == 0;
}
