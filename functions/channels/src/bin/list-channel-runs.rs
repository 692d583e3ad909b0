//! The Lambda function `list-channel-runs`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::list_channel_runs::function())
}
