#!/bin/sh
# Makes wheels of small Python packages below the folder $1, by hand: nothing is downloaded.
set -eu
mkdir -p "$1/dist"; cd "$1"
python3 - <<'PY'
import zipfile
for name, version in (("mod_hello", "1.0"), ("mod_hello", "2.0"), ("mod_gone", "1.0")):
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(f"dist/{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", f'version = "{version}"\n')
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
PY
printf 'mod-hello>=2\nmod-gone\n' > requirements.txt
touch ready
