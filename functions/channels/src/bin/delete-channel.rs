//! The Lambda function `delete-channel`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::delete_channel::function())
}
