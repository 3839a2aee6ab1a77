#!/usr/bin/env python3
"""Hold the cases of the shared captures against their truth; fail on any shortfall that is not known.

usage: truth.py --vigie BINARY --shared FOLDER

Runs score.py on every capture, prints its totals, and then each shortfall: the known ones with the reason why they stand,
the others as failures. Exit status 1 where there is one that is not known, or a known one that is mended (take it out of KNOWN).
Python 3.9+, no package.
"""
import argparse
import os
import subprocess
import sys

DETECTORS = (
    "brute_force,scan,tor,arp_spoofing,dhcp_starvation,rogue_dhcp,attacker_tool_host,"
    "cleartext_credentials,icmp_tunnel,dns_tunnel"
)

# What stands, by file, and why.
KNOWN = {
    "encaps/pcap-80211http.pcap": "marked benign, but frame by frame a user name and a password are posted in clear to /post.php",
    "tunnels/mpls-basic.pcap": "no password is sent: the server says \"Password required, but none set\" and closes",
    "ftp/ftp-3.pcap": "six loose segments of several sessions; the one password line is IEUser@, a browser's anonymous log-in",
}


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--vigie", required=True)
    ap.add_argument("--shared", required=True)
    args = ap.parse_args()
    data = os.path.join(args.shared, "data")
    command = [sys.executable, os.path.join(args.shared, "tools", "score.py"), data, "--frames", "--truth",
               "--detectors", DETECTORS, "--run", args.vigie + " replay -l {out} {pcap}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    short, failed = {}, 0
    for line in done.stdout.splitlines():
        name = line.split(":", 1)[0]
        if os.path.exists(os.path.join(data, "captures", name)):
            short.setdefault(name, []).append(line)
        elif line.startswith(("truth:", "frames:")):
            print(line)
    for name in sorted(set(short) | set(KNOWN)):
        lines = short.get(name)
        if lines is None:
            failed += 1
            print(f"MENDED  {name}: no longer short; take it out of KNOWN in tools/truth.py")
        elif name in KNOWN:
            print(f"known   {lines[0]}\n        {KNOWN[name]}")
        else:
            failed += 1
            print("\n".join(f"FAILED  {line}" for line in lines))
    print(f"{'all as known' if not failed else 'not as known'}: {failed} new")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
