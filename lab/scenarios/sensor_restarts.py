"""A sensor that is killed, and one that takes another configuration, in the middle of a brute force."""
import services
from attacks import wordlist

TITLE = "A restart and a reload in the middle of a brute force"
START = "2026-11-24 14:05:00"
STORY = """A laptop tries 60 passwords for one account of the file server with hydra, four at once; none is right. After a third of them the sensor is
killed (kill -9) and replaced; after two thirds it is replaced under another configuration (SIGHUP). It stays one alert, with its count."""
EXPECT = [{"detector": "brute_force", "attacker": "kali", "victim": "files"}]
ALLOWED = ["cleartext_credentials", "attacker_tool_host"]
RECORDED = False
# What the killed sensor had not handed over: four log-ins are under way at any moment.
IN_FLIGHT = 4


def run(lab):
    files, kali = lab.host("files"), lab.host("kali")
    services.ftp(files)
    words = kali.file("words.txt", "\n".join(wordlist(60)) + "\n")
    lab.record()
    attack = kali.start("timeout", "120", "hydra", "-I", "-l", "paul", "-P", words, "-t", "4", files.ip, "ftp")
    lab.pause(15)
    for sensor in lab.sensors:
        sensor.kill()
    lab.pause(15)
    for sensor in lab.sensors:
        sensor.reload("[stream]\nmidstream = true\n")
    attack.wait(120)
