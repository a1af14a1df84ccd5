//! The help.

use super::{article::OLD, table::Flag};
use clap::{Arg, ArgAction, Command as Clap, builder::styling::Styles};

const ABOUT: &str = "The greeter: a small service over HTTP and gRPC, and its client.

Without flags it needs nothing else: it serves GET /greeting?name=Ada and GET /health over HTTP, \
greeter.v1.Greeter/Greeting over gRPC, and a debug port on loopback.";

const AFTER: &str = "Commands:
  greeter [serve] [FLAGS]               serve, until SIGINT or SIGTERM
  greeter call http://HOST:PORT NAME    print a greeting, over HTTP
  greeter call grpc://HOST:PORT NAME    over gRPC
  greeter call --consul-addr ADDR NAME  from an instance that Consul knows
  greeter call --help                   print the flags of call
  greeter watch --consul-addr ADDR      show who is found there, and every change
  greeter watch --help                  print the flags of watch
  greeter token                         make a key and a token, to try --jwt-jwks
  greeter token --help                  print the flags of token
  greeter help                          print this

A flag may have one dash or two, and its value after = or a space. A flag goes before its \
environment variable, and an empty variable is none. Durations are written 500ms, 20s or 2m, rates \
100/s, 6000/m or 100000/h.

Exit codes: 0, it went well; 1, it did not; 2, the flags or the environment are wrong.";

pub(super) fn help(name: &'static str, flags: &[&Flag]) -> String {
    let args = flags.iter().map(|flag| {
        let mut about = vec![flag.help.to_owned()];
        if !flag.default.is_empty() {
            about.push(format!("[default: {}]", flag.default));
        }
        if let Some(env) = flag.env {
            about.push(format!("[env: {env}]"));
        }
        let arg = Arg::new(flag.name).long(flag.name).value_name(flag.value).help(about.join(" "));
        let is_old = OLD.iter().any(|old| old.name == flag.name);
        if is_old { arg.help_heading("The article's spellings") } else { arg }
    });
    let mut command = Clap::new(name)
        .about(ABOUT)
        .after_help(AFTER)
        .styles(Styles::plain())
        .disable_help_flag(true)
        .override_usage(match name {
            "greeter" => "greeter [serve] [FLAGS]",
            "greeter token" => "greeter token [FLAGS]",
            "greeter watch" => "greeter watch --consul-addr ADDR|--dns NAME|--file PATH [FLAGS]",
            _ => "greeter call http://HOST:PORT|grpc://HOST:PORT NAME [FLAGS]",
        })
        .arg(Arg::new("help").long("help").action(ArgAction::Help).help("Print this"))
        .args(args);
    let help = command.render_long_help().to_string();
    // The article writes one dash, which clap gives single letters alone.
    OLD.iter().fold(help, |help, flag| {
        help.replace(&format!("--{}", flag.name), &format!("-{}", flag.name))
    })
}
