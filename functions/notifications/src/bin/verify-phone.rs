//! The Lambda function `verify-phone`.

fn main() -> Result<(), edge::Error> {
    edge::run(&notifications::verify_phone::function())
}
