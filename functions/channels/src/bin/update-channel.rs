//! The Lambda function `update-channel`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::update_channel::function())
}
