"""How does a decision come about? The hot loop, the desk's stages and their two runners."""
