//! The Lambda function `create-channel`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::create_channel::function())
}
