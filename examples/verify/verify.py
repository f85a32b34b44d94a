#!/usr/bin/env python3
"""Verifies an audit export of statute with nothing but Python's own library.

    statute audit export > audit.ndjson;  python3 verify.py audit.ndjson

hash = SHA-256(previous_hash || canonical JSON of the record without its two hashes). The canonical
JSON is that of RFC 8785, with one exception: integers beyond 2^53 are written exactly.
"""
import hashlib
import json
import sys
from decimal import Decimal


def number(value):
    """As ECMAScript prints it (RFC 8785 section 3.2.2.3): the shortest digits that give it back."""
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits, point = "".join(map(str, digits)), len(digits) + exponent
    if 0 < point <= 21:
        text = digits.ljust(point, "0")
        text = text[:point] + ("." + text[point:] if len(text) > point else "")
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        text = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + "e%+d" % (point - 1)
    return ("-" if sign else "") + text


def canonical(value):
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(canonical(key) + ":" + canonical(value[key]) for key in keys) + "}"


def verify(lines):
    heads, records = {}, 0
    for place, line in enumerate(lines, 1):
        record = json.loads(line)
        said, previous = record.pop("hash"), record.pop("previous_hash")
        chain = (record["machine"], record["entity_id"])
        sequence, head = heads.get(chain, (0, "0" * 64))
        if record["sequence"] != sequence + 1 or previous != head:
            raise SystemExit(f"line {place}: {chain} does not go on from record {sequence}")
        if hashlib.sha256((previous + canonical(record)).encode()).hexdigest() != said:
            raise SystemExit(f"line {place}: {chain} record {sequence + 1} was changed")
        heads[chain], records = (sequence + 1, said), records + 1
    return records, len(heads)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") if len(sys.argv) > 1 else sys.stdin as source:
        print("%d records of %d entities are as they were written" % verify(source))
