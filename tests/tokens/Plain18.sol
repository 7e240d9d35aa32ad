// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "./Base.sol";

/// Eighteen decimals, as DAI has.
contract Plain18 is Base("TDAI", 18) {}
