"""A file as a C array with its length: embed.py FILE HEADER NAME > file.c"""
import sys

file, header, name = sys.argv[1:]
content = open(file, "rb").read()
print(f'#include "{header}"\n\nconst unsigned char {name}[] = {{')
for at in range(0, len(content), 24):
    print(",".join(map(str, content[at:at + 24])) + ",")
print(f"}};\nconst size_t {name}_bytes = sizeof {name};")
