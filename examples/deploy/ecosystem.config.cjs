// pm2 start ecosystem.config.cjs
module.exports = {
  apps: [
    {
      name: "app",
      script: "server.cjs",
      exec_mode: "cluster",
      instances: 2,
      node_args: "--import sluice/register",
    },
  ],
};
