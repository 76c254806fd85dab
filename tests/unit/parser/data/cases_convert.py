#!/usr/bin/env python3
"""Writes a file of cases (JSON or JSON lines) as the lines that xml_cases_test.c reads:

    verdicts, joined by '|' (accept, or a condition of RFC 6120) <tab> layer <tab> name <tab> bytes in hexadecimal

usage: cases_convert.py attack|utf8|name FILE > FILE.tsv
"""
import json
import sys


def attack(text):
    for case in json.loads(text)['cases']:
        verdicts = [case['verdict']] + case.get('also_ok', [])
        yield '|'.join(v.replace('reject:', '') for v in verdicts), case['layer'], case['name'], case['hex']


def utf8(text):
    for case in map(json.loads, text.splitlines()):
        yield case['verdict'], 'utf8', '-', case['hex']


def name(text):
    for case in map(json.loads, text.splitlines()):
        verdict = case['verdict'].replace('reject:', '').split(' ')[0]
        yield verdict, 'name', case['cp'] + '-' + case['position'], case['name_hex']


def main():
    with open(sys.argv[2], encoding='utf-8') as file:
        text = file.read()
    for row in {'attack': attack, 'utf8': utf8, 'name': name}[sys.argv[1]](text):
        print('\t'.join(row))


main()
