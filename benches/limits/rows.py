"""The work of each row: what every program is told, and how its effect is
checked."""

import hashlib
import os
import shutil


def noop(stage):
    return {
        "name": "noop", "count": 50, "ssh": "/bin/true;" * 50,
        "tasks": "    - command: /bin/true\n" * 50,
        "pyinfra": "from pyinfra.operations import server\nfor n in range(50):\n    server.shell(name=str(n), commands=['/bin/true'])\n",
    }


def templates(stage):
    """A hundred files of 2 KiB."""
    sources, ready, dest = f"{stage.work}/templates", f"{stage.work}/ready", f"{stage.work}/rendered"
    for folder in (sources, ready):
        os.makedirs(folder, exist_ok=True)
    sums = ""
    for number in range(100):
        name = f"{number:03}.conf"
        lines = "".join(f"option_{line} = value of {{{{ name }}}} {line}\n" for line in range(60))
        with open(f"{sources}/{name}", "w") as file:
            file.write(lines)
        text = lines.replace("{{ name }}", f"service{number}")
        with open(f"{ready}/{name}", "w") as file:
            file.write(text)
        sums += f"{hashlib.sha256(text.encode()).hexdigest()}  {dest}/{name}\n"
    sums = stage.write("sums", sums)
    tar = f"{stage.work}/ready.tar"
    os.system(f"tar -C {ready} -cf {tar} .")
    tasks = "".join(
        f"    - template: {{src: {sources}/{number:03}.conf, dest: {dest}/{number:03}.conf}}\n      vars: {{name: service{number}}}\n"
        for number in range(100)
    )
    pyinfra = (
        "from pyinfra.operations import files\nfor n in range(100):\n"
        f"    files.template(src=f'{sources}/{{n:03}}.conf', dest=f'{dest}/{{n:03}}.conf', **{{'name': f'template {{n}}'}}, item=n)\n"
    )
    # pyinfra's own argument is called `name`, so its templates read another one.
    copies = f"{stage.work}/pyinfra-templates"
    shutil.copytree(sources, copies, dirs_exist_ok=True)
    for entry in os.listdir(copies):
        with open(f"{copies}/{entry}") as file:
            text = file.read()
        with open(f"{copies}/{entry}", "w") as file:
            file.write(text.replace("{{ name }}", "service{{ item }}"))
    pyinfra = pyinfra.replace(sources, copies)

    def fresh():
        shutil.rmtree(dest, ignore_errors=True)
        os.mkdir(dest)

    def same():
        for number in range(100):
            name = f"{number:03}.conf"
            with open(f"{ready}/{name}", "rb") as wanted, open(f"{dest}/{name}", "rb") as found:
                if wanted.read() != found.read():
                    raise RuntimeError(f"{name} differs")

    base = {"count": 100, "tasks": tasks, "pyinfra": pyinfra, "check": same}
    new = {**base, "name": "templates-new", "before": fresh, "ssh": f"tar -C {dest} -xf -", "ssh_input": tar}
    again = {**base, "name": "templates-same", "ssh": "sha256sum --quiet -c -", "ssh_input": sums}
    return [new, again]


def files(stage):
    """200 small files and one of 50 MiB."""
    source, dest, tar = f"{stage.work}/files", f"{stage.work}/copied", f"{stage.work}/files.tar"
    os.makedirs(source, exist_ok=True)
    for number in range(200):
        with open(f"{source}/{number:03}", "wb") as file:
            file.write(os.urandom(3000))
    with open(f"{source}/large", "wb") as file:
        file.write(os.urandom(50 << 20))
    os.system(f"tar -C {source} -cf {tar} .")

    def fresh():
        shutil.rmtree(dest, ignore_errors=True)
        os.mkdir(dest)

    def same():
        for entry in os.listdir(source):
            with open(f"{source}/{entry}", "rb") as wanted, open(f"{dest}/{entry}", "rb") as found:
                if wanted.read() != found.read():
                    raise RuntimeError(f"{entry} differs")

    return {
        "name": "files", "count": 1, "before": fresh, "check": same,
        # The packing is a part of it.
        "ssh": f"tar -C {dest} -xf -", "ssh_pipe": f"tar -C {source} -cf - .",
        "tasks": f"    - copy: {{src: {source}/, dest: {dest}/}}\n",
        "pyinfra": f"from pyinfra.operations import files\nfiles.sync(src='{source}', dest='{dest}')\n",
    }


def lines(stage):
    """500 lines looked for and added, one by one."""
    dest = f"{stage.work}/lines"
    wanted = [f"net.key.{number} = {number * 7}" for number in range(500)]
    listing = stage.write("wanted-lines", "\n".join(wanted) + "\n")

    def fresh():
        with open(dest, "w") as file:
            file.write("# settings\n")

    def same():
        with open(dest) as file:
            if file.read() != "\n".join(["# settings", *wanted]) + "\n":
                raise RuntimeError("the lines differ")

    # As one writes it in a shell: a grep for each line.
    grep = f'while IFS= read -r line; do grep -qxF -e "$line" {dest} || printf "%s\\n" "$line" >> {dest}; done'
    return {
        "name": "lines", "count": 1, "before": fresh, "check": same, "ssh": grep, "ssh_input": listing,
        "tasks": f"    - lineinfile: {{path: {dest}, line: '{{{{ item }}}}'}}\n      loop: \"{{{{ lookup('file', '{listing}').splitlines() }}}}\"\n",
        "pyinfra": (
            "from pyinfra.operations import files\n"
            f"for number, line in enumerate(open('{listing}').read().splitlines()):\n"
            f"    files.line(name=str(number), path='{dest}', line=line)\n"
        ),
    }


def hosts(number):
    """Addresses of loopback."""
    return [f"127.{1 + index // 62500}.{index // 250 % 250}.{1 + index % 250}" for index in range(number)]
