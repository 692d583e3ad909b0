//! The program `jumun`, started by `cargo run`: the whole platform on this machine.

use clap::Parser;
use local::{Demo, Failure, Options, Platform, Ports, serve};
use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Runs the whole jumun platform on this machine. Needs no account, no Docker and no network.
#[derive(Debug, Parser)]
#[command(name = "jumun", version)]
struct Arguments {
    /// Port of the API.
    #[arg(long, default_value_t = Ports::default().api)]
    port: u16,
    /// Port of the AWS services: DynamoDB, SQS, EventBridge.
    #[arg(long, default_value_t = Ports::default().aws)]
    aws_port: u16,
    /// Port of the control API: clock, faults, partner stubs, queues.
    #[arg(long, default_value_t = Ports::default().control)]
    control_port: u16,
    /// Store the state in this file. Without it, the state is in memory and lost on exit.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Start without the demo shop.
    #[arg(long)]
    no_demo: bool,
    /// Require tokens from callers, as the deployed API does.
    #[arg(long)]
    auth: bool,
    /// Override a parameter of the template. May be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    parameter: Vec<(String, String)>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must have the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(log_filter())).init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Returns the log filter: `RUST_LOG` (such as `info` or `warn,store=debug`). Default: warnings.
#[expect(
    clippy::disallowed_methods,
    reason = "this program reads RUST_LOG itself; functions read their environment in edge"
)]
fn log_filter() -> Targets {
    let directives = std::env::var("RUST_LOG").ok().and_then(|directives| directives.parse().ok());
    directives.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN))
}

fn fail(error: &Failure) -> ExitCode {
    eprintln!("jumun: {error}");
    ExitCode::FAILURE
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let ports =
        Ports { api: arguments.port, aws: arguments.aws_port, control: arguments.control_port };
    let sockets = ports.take()?;
    let ports = sockets.ports()?;
    let platform = Platform::new(Options {
        data: arguments.data.clone(),
        requires_tokens: arguments.auth,
        parameters: BTreeMap::from_iter(arguments.parameter.clone()),
        endpoint: format!("http://127.0.0.1:{}", ports.aws),
        ..Options::default()
    })
    .await?;
    if !arguments.no_demo {
        Demo::stage(&platform)?;
        if Demo::open(&platform).await? {
            Demo::open_channels(&platform).await?;
        }
    }
    let listeners = sockets.listen()?;
    print!("{}", banner(&arguments, ports));
    let served = serve(platform, listeners, async {
        let _ = tokio::signal::ctrl_c().await;
        println!(
            "\nStopping once the requests in progress are finished. Press Ctrl-C again to stop at once."
        );
    });
    tokio::select! {
        served = served => served,
        () = interrupted_twice() => Ok(()),
    }
}

/// Completes after the second Ctrl-C.
async fn interrupted_twice() {
    for _ in 0..2 {
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// The text printed at the start: the addresses, the settings, and requests to try.
fn banner(arguments: &Arguments, Ports { api, aws, control }: Ports) -> String {
    let state = arguments
        .data
        .as_ref()
        .map_or("memory (store it with --data FILE)".into(), |file| file.display().to_string());
    let callers = if arguments.auth {
        format!("need a token (issued by POST http://127.0.0.1:{control}/tokens)")
    } else {
        "are operators if they send no token (require tokens with --auth)".into()
    };
    let mut banner = format!(
        "\
jumun is running.

  API        http://127.0.0.1:{api}        docs: http://127.0.0.1:{api}/docs
  AWS        http://127.0.0.1:{aws}        (AWS_ENDPOINT_URL)
  control    http://127.0.0.1:{control}
  state      {state}
  callers    {callers}
"
    );
    if !arguments.no_demo && !arguments.auth {
        let customer = Demo::CUSTOMER;
        let tour = format!(
            "
Try:
  curl 127.0.0.1:{api}/products
  curl 127.0.0.1:{api}/points/{customer}
  curl 127.0.0.1:{api}/order -H 'content-type: application/json' -H 'idempotency-key: first' \\
    -d '{{\"customerId\":\"{customer}\",\"items\":[{{\"productId\":\"latte\",\"quantity\":2}},{{\"productId\":\"scone\",\"quantity\":1}}]}}'
  curl 127.0.0.1:{control}/partners/data-platform/requests
"
        );
        banner += &tour;
    }
    banner + "\nPress Ctrl-C to stop.\n"
}
