//! The Lambda function `collect-channel-now`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::collect_channel_now::function())
}
