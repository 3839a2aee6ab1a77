//! The command line, with the help that teaches it.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What every exit code means, for the help of each command and the manual page.
const EXIT: &str = "\
Exit codes:
  0    something was read (a valid capture without packets counts)
  1    an output could not be written; what was written is whole lines
  2    nothing could be read
  3    with --strict: something was read, but a file was skipped or damaged
  64   wrong option or configuration
  130  interrupted; outputs are closed, the story is marked partial";

const REPLAY_EXAMPLES: &str = "\
Examples:
  vigie replay office.pcap
      Tell what is on this network, what happened, which cases.
  vigie replay -l out day1.pcap day2.pcap.gz
      Write out/eve.json and its kin. The two files are one capture point:
      sorted by time, merged where they overlap, sessions carried over.
  vigie replay --each -l out captures/
      Every capture of a folder apart, each into out/NAME/.
  tcpdump -i eth0 -w - | vigie replay -
      What another program captures, from its standard output.
  vigie replay --filter 'host 10.0.0.5 and tcp' --from 2026-11-25T08:00 big.pcap
      Only frames that match, from a time on (UTC).
  vigie replay --set 'vars.address-groups.HOME_NET=[203.0.113.0/24]' x.pcap
      Say which networks are yours; `vigie config` lists all keys.";

const QUERY_EXAMPLES: &str = "\
Examples:
  vigie query 'SELECT src_ip, count(*) AS n FROM flow GROUP BY src_ip ORDER BY n DESC LIMIT 10'
  vigie query --format csv 'SELECT ts, src_ip, rrname FROM dns' > dns.csv
Only reading is possible; `vigie query 'SHOW TABLES'` lists the tables.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  vigie export events --filter 'ip:10.20.3.66 -event_type:dns' -o eve.json
  vigie export events --kind dns --from 2026-11-25T08:00 --format csv > dns.csv
  vigie export case a9ba4ac65d2ed5c1 --lang fr -o case.html
  vigie export flows a9ba4ac65d2ed5c1 -o flows.csv
  vigie export packets --flow 1234567890123 -o flow.pcapng
  vigie export packets --case a9ba4ac65d2ed5c1 -o case.pcapng";

#[derive(Parser)]
#[command(
    name = "vigie",
    version,
    about = "Network detection and response: what is on the network, who talks to whom, what is an attack",
    after_help = "`vigie help COMMAND` tells more, with examples.",
    after_long_help = EXIT
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Read captures and tell their story, or write it as files
    #[command(
        after_help = "`vigie help replay` shows examples and exit codes.",
        after_long_help = format!("{REPLAY_EXAMPLES}\n\n{EXIT}"),
        long_about = "Read captures and tell their story, or write it as files.\n\n\
            Captures are pcap or pcapng, plain or packed with gzip or zstd, told by their content and not by their name. What is \
            damaged is read up to the damage; what cannot be read is named and skipped.\n\n\
            Without -l the story is told on standard output. With -l it is written: eve.json (every event, as Suricata writes them), \
            cases.json and assets.json, one JSON object a line; files that are there already are replaced."
    )]
    Replay(Replay),
    /// Serve the console and the API over what is kept in a data directory
    #[command(
        after_help = "`vigie help up` tells more.",
        long_about = "Serve the console and the API over what is kept in a data directory, until interrupted.\n\n\
            The first line says which address to open. At first start a certificate is made and an administrator, whose password is shown \
            once. Other commands with the same --data talk to this server: `vigie replay --data DIR` fills it, `vigie query` asks it."
    )]
    Up(Up),
    /// What `vigie up` starts for its interfaces
    #[command(hide = true)]
    Sensor,
    /// Say what a data directory holds, and whether a server runs on it
    Status(Data),
    /// Ask a data directory in SQL: a table for each kind of event, and `events` over all
    #[command(after_help = QUERY_EXAMPLES)]
    Query(Query),
    /// Write events, a case or its flows from a data directory into a file
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Export),
    /// Add, list and change those who may log in, and make tokens for scripts
    User(User),
    /// Print the configuration in force, and the plan of memory, threads and files
    #[command(
        long_about = "Print the configuration in force, each key with where its value comes from, and the plan of memory, threads and files: \
        the most that a replay under this configuration may take, table by table. Nothing is read but the configuration.\n\n\
        With -i (or capture.interfaces) it is the plan of `vigie up` on these interfaces, and what of their cards' settings harms, with the command that mends it."
    )]
    Check(Check),
    /// Print the commented default configuration; export and import what was set since
    #[command(
        long_about = "Print the commented default configuration: a TOML file for --config. Keys that Suricata has keep its names.\n\n\
            `vigie config export` and `import` are about what people decided in a data directory: settings, groups, exclusions, views, \
            declared assets, users (without passwords)."
    )]
    Config(Config),
    /// Print a completion script for a shell
    #[command(long_about = "Print a completion script for a shell. For bash: vigie completions bash > /etc/bash_completion.d/vigie")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in roff
    #[command(hide = true)]
    Man {
        /// Of a command and not of vigie itself
        command: Option<String>,
    },
    /// Print a reference that is drawn from the program's own declarations
    #[command(hide = true)]
    Docs {
        /// Which
        #[arg(value_enum)]
        what: Reference,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Reference {
    /// Every kind of event with its fields
    Events,
    /// Every protocol with its ports and caps
    Protocols,
    /// The API, as an OpenAPI document
    Openapi,
}

/// What decides the configuration.
#[derive(Args, Clone)]
pub(crate) struct Configured {
    /// Read the configuration from a TOML file
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Set one key, over the file; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Threads that own flows (the same as --set workers=N)
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
}

#[derive(Args)]
pub(crate) struct Check {
    /// The plan of `vigie up` on these interfaces, and not of a replay
    #[arg(short, long = "interface", value_name = "IFACE", num_args = 1..)]
    pub(crate) interfaces: Vec<String>,
    #[command(flatten)]
    pub(crate) configured: Configured,
}

/// Which data directory.
#[derive(Args)]
pub(crate) struct Data {
    /// The data directory [default: /var/lib/vigie for root, else ~/.local/share/vigie]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) configured: Configured,
}

#[derive(Args)]
pub(crate) struct Up {
    /// Capture from these interfaces, together one capture point (the two sides of a tap), and not from those of capture.interfaces;
    /// none: only serve what is kept
    #[arg(short, long = "interface", value_name = "IFACE", num_args = 1..)]
    pub(crate) interfaces: Vec<String>,
    #[command(flatten)]
    pub(crate) data: Data,
    /// Where browsers connect [default: server.listen, which is 127.0.0.1:8443]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Serve this certificate (PEM) and not one of Vigie's own
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
    /// Start even where this machine lacks a wall of the sandbox (Landlock, seccomp); what lacks is said
    #[arg(long)]
    pub(crate) allow_weaker: bool,
}

#[derive(Args)]
pub(crate) struct Query {
    #[command(flatten)]
    pub(crate) data: Data,
    /// How to write the rows
    #[arg(long, value_enum, default_value_t = Form::Table)]
    pub(crate) format: Form,
    /// One SELECT
    pub(crate) sql: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For a terminal
    Table,
    /// Comma-separated, with a line of names
    Csv,
    /// One JSON object a line
    Json,
}

#[derive(Args)]
pub(crate) struct Export {
    #[command(subcommand)]
    pub(crate) what: ExportCommand,
}

/// Where an export goes.
#[derive(Args)]
pub(crate) struct Target {
    #[command(flatten)]
    pub(crate) data: Data,
    /// Write into this file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum ExportCommand {
    /// Events, the earliest first
    Events {
        /// Only those that match, as in the console's query bar
        #[arg(long, value_name = "QUERY")]
        filter: Option<String>,
        /// Only these kinds, parted by commas
        #[arg(long, value_name = "KINDS")]
        kind: Option<String>,
        /// Only of this dataset
        #[arg(long, value_name = "NAME")]
        dataset: Option<String>,
        /// Only events of this time or later (UTC: 2026-11-25T08:00)
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Only events before this time
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// How to write them
        #[arg(long, value_enum, default_value_t = EventForm::Eve)]
        format: EventForm,
        #[command(flatten)]
        target: Target,
    },
    /// A case as one HTML page
    Case {
        /// Its id
        id: String,
        /// Of this dataset, where several have it
        #[arg(long, value_name = "NAME")]
        dataset: Option<String>,
        /// Language [default: the locale's, else en]
        #[arg(long, value_name = "fr|en")]
        lang: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// The packets of a flow, an alert or a case, as pcapng, where they are kept
    Packets {
        /// The flow's id, as events have it
        #[arg(long, value_name = "ID", required_unless_present_any = ["case", "alert"], conflicts_with_all = ["case", "alert"])]
        flow: Option<u64>,
        /// The alert's id, as its events have it
        #[arg(long, value_name = "ID", conflicts_with = "case")]
        alert: Option<String>,
        /// The case's id
        #[arg(long, value_name = "ID")]
        case: Option<String>,
        /// Of this dataset, where several have it
        #[arg(long, value_name = "NAME")]
        dataset: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// The flows behind a case, as CSV
    Flows {
        /// The case's id
        id: String,
        /// Of this dataset, where several have it
        #[arg(long, value_name = "NAME")]
        dataset: Option<String>,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventForm {
    /// One JSON object a line, as Suricata writes them
    Eve,
    /// Comma-separated: when, what, who with whom
    Csv,
}

#[derive(Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) what: Option<ConfigCommand>,
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write what people decided, without secrets, as JSON
    Export(Target),
    /// Take what was exported: added to what there is, or set over it; nothing is removed
    Import {
        /// Say what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Args)]
pub(crate) struct User {
    #[command(subcommand)]
    pub(crate) what: UserCommand,
}

#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Add someone; the password is read from standard input
    Add {
        /// Name to log in with
        name: String,
        /// viewer, analyst or administrator
        #[arg(long)]
        role: String,
        #[command(flatten)]
        data: Data,
    },
    /// List those who may log in
    List(Data),
    /// Give someone another password, read from standard input
    Passwd {
        /// Who
        name: String,
        #[command(flatten)]
        data: Data,
    },
    /// Keep someone from logging in; their sessions and tokens end
    Disable {
        /// Who
        name: String,
        #[command(flatten)]
        data: Data,
    },
    /// Make, list or revoke tokens for `Authorization: Bearer`
    Token {
        /// Whose; without a name all tokens are listed
        name: Option<String>,
        /// What the token is for
        #[arg(long, value_name = "TEXT", default_value = "api")]
        purpose: String,
        /// Days that it is good for
        #[arg(long, default_value_t = 90)]
        days: u32,
        /// Revoke the token of this number (as listed)
        #[arg(long, value_name = "ID", conflicts_with = "name")]
        revoke: Option<i64>,
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Args)]
pub(crate) struct Replay {
    /// Write eve.json, cases.json and assets.json into this folder (made if absent, files replaced)
    #[arg(short = 'l', long = "log-dir", value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Keep what is found in a data directory, for `vigie up` to show
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "each", "filter", "from", "to"])]
    pub(crate) data: Option<PathBuf>,
    /// Into this dataset of it [default: replay]
    #[arg(long, value_name = "NAME", requires = "data")]
    pub(crate) dataset: Option<String>,
    /// Move all times so that the last frame is now
    #[arg(long, requires = "data")]
    pub(crate) shift_to_now: bool,
    /// Do not keep the captures: no packets can be cut from them then
    #[arg(long, requires = "data")]
    pub(crate) no_keep: bool,
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Replay each capture as its own, with -l into DIR/NAME/
    #[arg(long)]
    pub(crate) each: bool,
    /// Look only at frames that match, as tcpdump's filters say it
    #[arg(long, value_name = "BPF")]
    pub(crate) filter: Option<String>,
    /// Look only at frames of this time or later (UTC: 2026-11-25T08:00, 2026-11-25 or seconds since 1970)
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Look only at frames before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// Language of the story and of cases [default: the locale's, else en]
    #[arg(long, value_name = "fr|en")]
    pub(crate) lang: Option<String>,
    /// Exit with 3 where a file was skipped or is damaged
    #[arg(long)]
    pub(crate) strict: bool,
    /// Tell all, and not the most important
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// No story and no progress; only what is wrong is told, on the error output
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Captures: files, folders (searched for captures), or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}
