//! The Lambda function `get-channel`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::get_channel::function())
}
