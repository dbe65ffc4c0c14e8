"""A stand-in for the scripts that make one-time objects in the API of OpenContrail: their arguments, their objects."""

import argparse
import json
import os
import sys
import urllib.request

# Script: type of object, what names it, arguments of its own; a "?" marks those that may be left out.
SCRIPTS = {
    "provision_control": ("bgp-routers", "host_name", "host_name? host_ip? router_asn? md5? ibgp_auto_mesh! no_ibgp_auto_mesh! address_families?"),
    "provision_config_node": ("config-nodes", "host_name", "host_name host_ip"),
    "provision_database_node": ("database-nodes", "host_name", "host_name host_ip"),
    "provision_analytics_node": ("analytics-nodes", "host_name", "host_name host_ip"),
    "provision_vrouter": ("virtual-routers", "host_name", "host_name host_ip router_type? dpdk_enabled! openstack_ip?"),
    "provision_linklocal": ("linklocal-services", "linklocal_service_name",
                            "linklocal_service_name linklocal_service_ip linklocal_service_port ipfabric_service_ip ipfabric_service_port"),
    "provision_encap": ("encapsulations", None, "encap_priority vxlan_vn_id_mode?"),
    "provision_mx": ("bgp-routers", "router_name", "router_name router_ip router_asn"),
}


def main():
    script = os.path.basename(sys.argv[0]).removesuffix(".py")
    kind, named, own = SCRIPTS[script]
    parser = argparse.ArgumentParser(prog=script, allow_abbrev=False)
    for name in ("api_server_ip", "api_server_port", "admin_user", "admin_password", "admin_tenant_name"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--oper", required=True, choices=["add", "delete" if script == "provision_linklocal" else "del"])
    for word in own.split():
        if word.endswith("!"):
            parser.add_argument("--" + word[:-1], action="store_true")
        else:
            parser.add_argument("--" + word.removesuffix("?"), required=not word.endswith("?"))
    given = {key: value for key, value in vars(parser.parse_args()).items() if value not in (None, False)}
    base = f"http://{given.pop('api_server_ip')}:{given.pop('api_server_port')}"
    for secret in ("admin_user", "admin_password", "admin_tenant_name"):
        given.pop(secret)
    oper = given.pop("oper")
    if script == "provision_control" and "host_name" not in given:
        kind, name = "global-system-configs", "default-global-system-config"
    else:
        name = given.get(named, "default-global-vrouter-config") if named else "default-global-vrouter-config"
    headers = {"Content-Type": "application/json", "X-Auth-Token": "stand-in"}
    if oper == "add":
        request = urllib.request.Request(f"{base}/{kind}", json.dumps(dict(given, name=name)).encode(), headers)
    else:
        request = urllib.request.Request(f"{base}/{kind}/{name}", headers=headers, method="DELETE")
    urllib.request.urlopen(request, timeout=20).read()
    print(f"{kind} {name}: {oper}")


main()
