//! The Lambda function `test-channel`.

fn main() -> Result<(), edge::Error> {
    edge::run(&channels::test_channel::function())
}
