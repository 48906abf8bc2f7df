//! What a value is.

/// What `typeof` says, with `null` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `undefined`
    Undefined,
    /// `null`
    Null,
    /// `true` and `false`
    Boolean,
    /// Numbers.
    Number,
    /// Strings.
    String,
    /// Objects and arrays.
    Object,
    /// Functions.
    Function,
    /// Symbols, bigints, externals.
    Other,
}

macro_rules! make {
    ($scope:expr, $call:ident $(, $arg:expr)*) => {{
        let mut result = ptr::null_mut();
        // SAFETY: the scope is open, so the environment runs; the arguments live in it.
        $scope.check(unsafe { sys::$call($scope.raw_env(), $($arg,)* &raw mut result) })?;
        Ok($scope.value(result))
    }};
}

pub(super) use make;
