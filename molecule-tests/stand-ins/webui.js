// Reads the files of the web interface as node itself does and gives what they say to the stand-in.
const { spawn } = require('child_process');
function flatten(value, prefix, out) {
  for (const [key, one] of Object.entries(value)) {
    const name = prefix ? prefix + '.' + key : key;
    if (one !== null && typeof one === 'object' && !Array.isArray(one)) flatten(one, name, out);
    else out[name] = one;
  }
  return out;
}
const files = {};
for (const file of ['config.global.js', 'contrail-webui-userauth.js'])
  files[file] = flatten(require('/etc/contrail/' + file), '', {});
const child = spawn('/usr/bin/python3', ['/usr/lib/contrail-stand-ins/stand_in.py', process.env.STAND_IN, '--javascript'],
  { stdio: ['pipe', 'inherit', 'inherit'] });
child.stdin.end(JSON.stringify(files) + '\n');
for (const name of ['SIGTERM', 'SIGINT']) process.on(name, () => child.kill(name));
child.on('exit', (code) => process.exit(code === null ? 1 : code));
