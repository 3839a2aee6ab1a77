"""A trunk: the same addresses in two VLANs, an attack in one of them."""
import os

import services

TITLE = "A VLAN trunk"
START = "2026-11-25 11:00:00"
STORY = """A trunk carries two VLANs with the same addresses: in one the recording of an FTP brute force, in the other that of an administrator's morning, both
tagged in user space and sent five times as fast. The attack is found, the other network stays silent."""
EXPECT = [{"detector": "brute_force", "attacker": "kali", "victim": "files"}]
ALLOWED = ["cleartext_credentials", "attacker_tool_host"]
RECORDED = False


def run(lab):
    trunk = lab.host("srv12")
    testdata = os.path.join(services.HERE, "..", "testdata")
    lab.record()
    trunk.run("/usr/bin/python3", os.path.join(services.HERE, "clients", "send_tagged.py"), "eth0", "5",
              os.path.join(testdata, "ftp_bruteforce_failure.pcap"), 10, os.path.join(testdata, "anonymous_ftp.pcap"), 20, timeout=120)
