//! The Lambda function `list-channels`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::list_channels::function())
}
