/** Techniques of MITRE ATT&CK (Enterprise) that detectors name, as ATT&CK names them: a name of its own, so in English everywhere. */
const TECHNIQUES: Record<string, string> = {
  T1018: 'Remote System Discovery',
  T1040: 'Network Sniffing',
  T1046: 'Network Service Discovery',
  T1048: 'Exfiltration Over Alternative Protocol',
  'T1071.004': 'Application Layer Protocol: DNS',
  T1078: 'Valid Accounts',
  'T1090.003': 'Proxy: Multi-hop Proxy',
  T1095: 'Non-Application Layer Protocol',
  T1110: 'Brute Force',
  'T1110.001': 'Brute Force: Password Guessing',
  'T1110.003': 'Brute Force: Password Spraying',
  T1498: 'Network Denial of Service',
  T1552: 'Unsecured Credentials',
  'T1557.002': 'Adversary-in-the-Middle: ARP Cache Poisoning',
  'T1557.003': 'Adversary-in-the-Middle: DHCP Spoofing',
  T1562: 'Impair Defenses',
  T1572: 'Protocol Tunneling',
  'T1588.002': 'Obtain Capabilities: Tool',
  T1595: 'Active Scanning',
}

export const technique = (id: string): string | undefined => TECHNIQUES[id]
