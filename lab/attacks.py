"""What several scenarios' attackers do."""
import os

COMMON = ["123456", "password", "azerty", "soleil", "bonjour", "marseille", "doudou", "loulou", "motdepasse", "qwerty", "letmein", "admin",
          "iloveyou", "nicolas", "camille", "chocolat", "coucou", "jetaime", "princesse", "football", "monkey", "dragon", "master",
          "welcome", "shadow", "sunshine", "superman", "azertyuiop", "1234567890", "abc123"]


def wordlist(count, right=None, at=None):
    """`count` wrong passwords; the right one, if given, at position `at`."""
    words = [COMMON[n % len(COMMON)] + ("" if n < len(COMMON) else str(n)) for n in range(count)]
    if right is not None:
        words.insert(at, right)
    return words


def guess(attacker, service, victim, user, words, tasks=4, port=None, extra=(), seconds=240):
    """hydra on one account, or on a list of accounts; ended after `seconds` (its Telnet module may wait for ever)."""
    passwords = attacker.file(f"words-{service}.txt", "\n".join(words) + "\n")
    who = ["-l", user] if isinstance(user, str) else ["-L", attacker.file(f"users-{service}.txt", "\n".join(user) + "\n")]
    return attacker.run("timeout", "-s", "INT", "-k", "5", seconds, "hydra", "-I", "-f", *who, "-P", passwords, "-t", tasks,
                        *(["-s", port] if port else []), victim.ip, service, *extra, check=False, timeout=seconds + 30)


def telnet_guess(attacker, victim, user, words, tasks=4, seconds=240):
    """The lab's own client on one account, or on several (`user` parted by commas): hydra's Telnet module waits for prompts that came
    before it listened."""
    path = attacker.file("words.txt", "\n".join(words) + "\n")
    client = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "telnet_guess.py")
    return attacker.run("/usr/bin/python3", client, victim.ip, user, path, tasks, timeout=seconds)
