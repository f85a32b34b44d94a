#!/usr/bin/env python3
"""The oracle for time zones: what Python's zoneinfo, an independent reader of the same files, says.

How to use: zones.py FIRST_YEAR LAST_YEAR. Prints, for unit/timezone/test_tz_oracle.c:
  Z NAME...                    zones that have the same file; what follows is about all of them
  I SECOND OFFSET DST ABBR     an instant: offset in seconds, whether daylight time, abbreviation
  L SECOND FOLD0 FOLD1         a local time: the instants that it names by fold (PEP 495)
  E                            the end, so that a script that broke off is noticed
Instants: every change of every zone in those years, one second before, at and after it, and halfway to
the next; a few far beyond the years of the files; and one a month, wherever the changes are. Local times: the same
around both ends of every gap and fold, and their middles."""
import pathlib
import sys
import zoneinfo
from datetime import datetime, timedelta
from zoneinfo._zoneinfo import ZoneInfo as Inside  # the same in Python, which shows its tables

EPOCH = datetime(1970, 1, 1)
FAR_YEARS = (2437, 2438, 2800, 9990)
MONTH = 30 * 86400 + 3607


def year_start(year):
    return int((datetime(year, 1, 1) - EPOCH).total_seconds())


def names_by_file():
    files = {}
    for name in sorted(zoneinfo.available_timezones() - {"localtime"}):
        for directory in zoneinfo.TZPATH:
            path = pathlib.Path(directory, name)
            if path.is_file():
                files.setdefault(path.read_bytes(), []).append(name)
                break
    return files.values()


def ruled_changes(inside, years):
    rule = inside._tz_after
    if not hasattr(rule, "transitions"):
        return
    for year in years:
        start, end = rule.transitions(year)
        yield int(start - rule.std.utcoff.total_seconds())
        yield int(end - rule.dst.utcoff.total_seconds())


def changes_of(name, first_year, last_year):
    inside = Inside.no_cache(name)
    listed = list(inside._trans_utc)
    first, last = year_start(first_year), year_start(last_year + 1)
    ruled_from = max(first_year, (EPOCH + timedelta(seconds=listed[-1])).year if listed else first_year)
    changes = {at for at in listed if first <= at < last}
    newest = listed[-1] if listed else first
    changes |= {at for at in ruled_changes(inside, range(ruled_from, last_year + 1)) if at > newest}
    far = set(ruled_changes(inside, FAR_YEARS)) | {year_start(year) for year in FAR_YEARS}
    return sorted(changes), sorted(far)


def print_instant(zone, at, out):
    local = datetime.fromtimestamp(at, zone)
    offset = int(local.utcoffset().total_seconds())
    out.append("I %d %d %d %s" % (at, offset, bool(local.dst()), local.tzname()))
    return offset


def print_local(zone, at, out):
    local = (EPOCH + timedelta(seconds=at)).replace(tzinfo=zone)
    instants = [at - int(local.replace(fold=fold).utcoffset().total_seconds()) for fold in (0, 1)]
    out.append("L %d %d %d" % (at, *instants))


def print_zone(names, first_year, last_year):
    zone = zoneinfo.ZoneInfo(names[0])
    changes, far = changes_of(names[0], first_year, last_year)
    out = ["Z " + " ".join(names)]
    first, last = year_start(first_year), year_start(last_year + 1)
    for at, following in zip(changes + far, changes[1:] + [last] * (len(far) + 1)):
        before, after = (print_instant(zone, at + step, out) for step in (-1, 0))
        print_instant(zone, at + 1, out)
        for edge in (at + before, at + after):
            for step in (-1, 0, 1):
                print_local(zone, edge + step, out)
        print_local(zone, at + (before + after) // 2, out)
        if following > at:
            middle = (at + following) // 2
            print_local(zone, middle + print_instant(zone, middle, out), out)
    for at in range(first, last, MONTH):
        print_instant(zone, at, out)
        print_local(zone, at, out)
    print("\n".join(out))


def main():
    first_year, last_year = int(sys.argv[1]), int(sys.argv[2])
    for names in names_by_file():
        print_zone(names, first_year, last_year)
    print("E")


main()
