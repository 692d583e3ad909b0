//! The Lambda function `collect-channel`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::collect_channel::function())
}
